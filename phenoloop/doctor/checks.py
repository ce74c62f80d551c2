"""All checks, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable

from phenoloop.doctor import chain, connections, events, jobs, label_studio, s3
from phenoloop.doctor.check import TIMEOUT_S, Check, Finding, Line, examine
from phenoloop.doctor.loop import Loop
from phenoloop.settings import Settings

MODEL_TIMEOUT_S = 65.0
"""A model has 60 s."""
BACKEND_TIMEOUT_S = 40.0
"""Label Studio asks a backend that hangs several times over."""


def examine_loop(settings: Settings, project_id: int | None) -> list[Line]:
    """Every check of the loop that these settings describe. Changes nothing but short-lived probe objects in S3."""
    return examine(loop_checks(Loop(settings, project_id)))


def loop_checks(loop: Loop) -> list[Check]:
    def check(name: str, look: Callable[[Loop], Finding], *needs: str, timeout_s: float = TIMEOUT_S) -> Check:
        return Check(name, lambda: look(loop), needs, timeout_s)

    return [
        check("S3 bucket", s3.bucket),
        check("S3 photos", s3.photos, "S3 bucket"),
        check("S3 other buckets", s3.other_buckets, "S3 bucket"),
        check("S3 writing", s3.writing, "S3 bucket"),
        check("S3 conditional writes", s3.conditional_writes, "S3 bucket"),
        check("queue", events.queue),
        check("dead letters", events.dead_letters, "queue"),
        check("bucket notification", events.notification, "S3 bucket", "queue"),
        check("approval events", events.approvals, "queue"),
        check("live release", chain.live_release, "S3 bucket"),
        check("detector endpoint", chain.detector_state, "live release"),
        check("segmenter endpoint", chain.segmenter_state, "live release"),
        check("detector call", chain.detector_call, "detector endpoint", timeout_s=MODEL_TIMEOUT_S),
        check("segmenter call", chain.segmenter_call, "segmenter endpoint", timeout_s=MODEL_TIMEOUT_S),
        check("retraining", chain.retraining),
        check("Redis", jobs.redis),
        check("workers", jobs.workers, "Redis"),
        check("Label Studio", label_studio.server),
        check("Label Studio token", label_studio.token, "Label Studio"),
        check("Label Studio version", label_studio.version, "Label Studio token"),
        check("project", label_studio.project, "Label Studio token"),
        check("project settings", label_studio.settings, "project"),
        check("labelling configuration", label_studio.labelling, "project"),
        check("labels", label_studio.labels, "labelling configuration", "live release"),
        check("photo storage", connections.photo_storage, "project"),
        check("annotation storage", connections.annotation_storage, "project"),
        check("backend", connections.backend, "project", timeout_s=BACKEND_TIMEOUT_S),
        check("webhook", connections.webhook, "project"),
    ]
