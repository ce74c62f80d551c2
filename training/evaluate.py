"""`python3 -m training.evaluate`: is the candidate chain better than the live one, on photos that neither learnt from?

Inputs: `test` (of preprocessing), the archives `detector`, `segmenter`, `live-detector`, `live-segmenter`, and
`live-manifest`; if they are there, `fetch-report` and `preprocess-report`. Environment: `DETECTOR_URL` and so on, where
those archives lie in S3; what is demanded: `MINIMUM_TEST_PHOTOS` (5) and `MINIMUM_GAIN` (0); `REPORT_PHOTOS` (16), how
many photos the report shows and spoils; `RUN` and `SNAPSHOT_URL`, to name them. Outputs, in `evaluation`:
`evaluation.json` and `photos.json` (see `training.evaluation.summary`), the candidate's `manifest.json`, `report.html`
and `model-card.json`.

The verdict is written first. What only explains it may fail: `evaluation.json` then says what is `missing`, and why.
"""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from training.data.dataset import LabelledPhoto, evenly_spaced, labels_of, read_labels, read_photos
from training.errors import JobFailed
from training.evaluation.chain_files import CANDIDATE, LIVE, candidate_files, live_files, started
from training.evaluation.chain_run import Chain, ChainRun, run_chain
from training.evaluation.parts import Parts
from training.evaluation.robustness import Robustness, robustness
from training.evaluation.summary import by_photo, evaluation, rounded, told_of
from training.evaluation.verdict import Demands, lost_labels
from training.job import ProcessingFolders, run_to_exit
from training.reporting.facts import Evaluated, Facts, notable, read_data
from training.reporting.model_card import model_card

if TYPE_CHECKING:
    from training.evaluation.explanations import Explanations

ROBUSTNESS_S, EXPLANATIONS_S = 50.0, 30.0
"""Most that they take; with the time over, they are of fewer photos."""
_COCO_KINDS: dict[str, Literal["bbox", "segm"]] = {"box": "bbox", "mask": "segm"}


def main() -> None:
    run_to_exit(ProcessingFolders.read(os.environ), lambda folders: evaluate(folders, os.environ))


def evaluate(folders: ProcessingFolders, values: Mapping[str, str]) -> None:
    """Run both chains on the test photos and write the outputs. `values`: the environment's, with the archives' urls.

    Raises JobFailed: an input is missing or unusable, or the candidate fails on every photo.
    """
    demands, most_shown = _demands(values), max(int(_number(values, "REPORT_PHOTOS", 16)), 0)
    photos, labels = read_photos(folders.input("test")), read_labels(folders.input("test"))
    output, parts = folders.output("evaluation"), Parts()
    with tempfile.TemporaryDirectory() as unpacking, ExitStack() as stack:
        live = live_files(folders, values, Path(unpacking))
        candidate = candidate_files(folders, values, Path(unpacking), live)
        with parts.timed("chains"):
            chains = [started(files, 2, stack) for files in (candidate, live)] if photos else []
            runs = _runs(chains, photos)
        with parts.timed("verdict"):
            lost = lost_labels(live.manifest.labels, candidate.manifest.labels, {*labels, *labels_of(photos)})
            summary = evaluation(
                photos, runs[CANDIDATE], runs[LIVE], urls=candidate.urls, demands=demands, labels_lost=lost
            )
        _write(output / "evaluation.json", summary)
        _write(output / "photos.json", by_photo(photos, runs[CANDIDATE], runs[LIVE]))
        _write(output / "manifest.json", candidate.manifest.to_dict())
        evaluated = Evaluated(photos, runs, {files.name: files for files in (candidate, live)}, summary)
        facts = _facts(evaluated, chains, folders, values, parts, most_shown)
        for name, make in {"report.html": _report, "model-card.json": _model_card}.items():
            if (text := parts.optional(name, partial(make, facts))) is not None:
                (output / name).write_text(text)
    _write(output / "evaluation.json", facts.evaluated.summary | rounded(asdict(parts)))
    print(json.dumps({"verdict": summary["verdict"], **rounded(asdict(parts))}), flush=True)  # noqa: T201  # the job's log


def _runs(chains: Sequence[Chain], photos: Sequence[LabelledPhoto]) -> dict[str, ChainRun]:
    """Side by side, each with its share of the processors. A live chain that fails can't keep its replacement out."""
    if not chains:
        return {name: ChainRun((), {}, 0.0) for name in (CANDIDATE, LIVE)}
    with ThreadPoolExecutor(len(chains)) as pool:
        runs = pool.map(lambda chain: run_chain(chain, photos, may_fail=chain.name == LIVE), chains)
        return {chain.name: run for chain, run in zip(chains, runs, strict=True)}


def _facts(
    evaluated: Evaluated,
    chains: Sequence[Chain],
    folders: ProcessingFolders,
    values: Mapping[str, str],
    parts: Parts,
    most_shown: int,
) -> Facts:
    """The verdict, and all that it can do without; what of that fails is missing in `parts`."""
    shown = notable(evaluated.runs[CANDIDATE].comparisons, most_shown)
    coco = parts.optional("coco", lambda: _coco(evaluated))
    robust = parts.optional("robustness", lambda: _robustness(evaluated, chains, most_shown)) if shown else None
    explained = parts.optional("explanations", lambda: _explanations(evaluated, chains, shown)) if shown else None
    more = {"coco": coco, "robustness": robust and told_of(robust), "explanations": explained and explained.told()}
    return Facts(
        run=values.get("RUN", ""),
        snapshot_url=values.get("SNAPSHOT_URL", ""),
        evaluated=replace(evaluated, summary=evaluated.summary | rounded(more)),
        data=parts.optional("data", lambda: read_data(folders)) or {},
        shown=shown,
        explanations=explained,
        parts=parts,
    )


def _coco(evaluated: Evaluated) -> dict[str, Any]:
    from training.evaluation.coco import coco_figures

    return {
        name: {kind: asdict(coco_figures(evaluated.photos, run.seen, of)) for kind, of in _COCO_KINDS.items()}
        for name, run in evaluated.runs.items()
    }


def _robustness(evaluated: Evaluated, chains: Sequence[Chain], most: int) -> Robustness:
    """Of the chains that answer at all."""
    alive = [chain for chain in chains if len(evaluated.runs[chain.name].failures) < len(evaluated.photos)]
    with_objects = [photo for photo in evaluated.photos if photo.objects] or evaluated.photos
    return robustness(alive, evenly_spaced(with_objects, most), ROBUSTNESS_S)


def _explanations(evaluated: Evaluated, chains: Sequence[Chain], shown: Sequence[int]) -> "Explanations":
    from training.evaluation.explanations import explanations

    from_both_ends = [index for pair in zip(shown, reversed(shown), strict=True) for index in pair]
    photos = [evaluated.photos[index] for index in dict.fromkeys(from_both_ends)]
    return explanations(chains[0], photos, EXPLANATIONS_S)


def _report(facts: Facts) -> str:
    from training.reporting.report import report

    return report(facts)


def _model_card(facts: Facts) -> str:
    return json.dumps(model_card(facts), indent=1)


def _demands(values: Mapping[str, str]) -> Demands:
    return Demands(int(_number(values, "MINIMUM_TEST_PHOTOS", 5)), _number(values, "MINIMUM_GAIN", 0))


def _number(values: Mapping[str, str], name: str, default: float) -> float:
    try:
        return float(values.get(name, default))
    except ValueError as error:
        raise JobFailed(f"{name} is no number: {error}.") from error


def _write(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1, allow_nan=False))


if __name__ == "__main__":
    main()
