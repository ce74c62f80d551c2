"""The search itself: trials one after the other or side by side, each told by those before what to try.

What to try next: tree-structured Parzen estimators (Bergstra et al., NeurIPS 2011), Optuna's TPE. What to give up:
a trial below the median of the others after as many rounds, which is SageMaker's own rule of early stopping, too.
All trials are kept in Optuna's journal among the checkpoints.
"""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, TrialState

from training.data.dataset import read_photos
from training.errors import JobFailed
from training.places import Places
from training.search.folders import SearchFolders
from training.search.report import (
    best_trial,
    current_trial,
    is_interrupted,
    is_over,
    say,
    write_hparams,
    write_report,
)
from training.search.settings import SearchSettings
from training.search.tested import tested
from training.search.trial import (
    Shares,
    TrialFailed,
    TrialInterrupted,
    UnderWay,
    cores,
    end,
    ended,
    prepare,
    rounds,
    started,
)

REPORT, JOURNAL = "search.json", "optuna.journal"
RANDOM_TRIALS = 8
"""Before the estimators have enough to go by."""
UNPRUNED_TRIALS, UNPRUNED_ROUNDS = 4, 2


class Search:
    def __init__(
        self, settings: SearchSettings, places: Places, environment: Mapping[str, str], under_way: UnderWay
    ) -> None:
        self._settings, self._environment, self._under_way = settings, environment, under_way
        self._places, self._folders = places, SearchFolders(places)
        self._study = opened(places.checkpoints / JOURNAL, settings.seed)
        self._threads = int(environment.get("OMP_NUM_THREADS", 0)) or cores()
        self._shares = Shares(settings.parallel, self._threads, _gpus() if settings.parallel > 1 else 0)

    def run(self) -> None:
        """Raises JobFailed if nothing can be compared, or no trial comes to its end."""
        self._require_witnesses()
        self._take_up()
        self._report("searching")
        self._try_all()
        best = best_trial(self._trials)
        if best is not None:
            shutil.copytree(self._folders.kept_model(best.number), self._places.model, dirs_exist_ok=True)
        if self._under_way.stopped:
            self._report("stopped")
        elif best is None:
            raise JobFailed(f"No trial came to its end. {self._first_reason()}")
        else:
            self._report("done", self._tested())

    def _require_witnesses(self) -> None:
        photos = read_photos(self._places.channel("validation"))
        things = [thing for photo in photos for thing in photo.objects]
        if not (things if self._settings.stage == "detector" else [thing for thing in things if thing.mask]):
            raise JobFailed(
                "The validation photos show nothing that trials could be compared by. Annotate more photos first."
            )

    def _take_up(self) -> None:
        """Begin with the values of now, or go on where an earlier job of this search was."""
        for trial in self._trials:
            if trial.state == TrialState.RUNNING:
                self._study.tell(trial.number, state=TrialState.FAIL)
        again = {trial.user_attrs.get("again") for trial in self._trials}
        for trial in self._trials:
            if is_interrupted(trial) and trial.number not in again:
                self._study.enqueue_trial(trial.params, user_attrs=trial.user_attrs | {"again": trial.number})
        if not self._trials and self._settings.current:
            self._study.enqueue_trial(self._settings.current, user_attrs={"current": True})

    def _try_all(self) -> None:
        wanted = self._settings.trials - sum(map(is_over, self._trials))
        if wanted > 0:
            self._study.optimize(
                self._quality,
                n_trials=wanted,
                timeout=self._settings.time_limit_s,
                n_jobs=self._settings.parallel,
                catch=(TrialFailed, TrialInterrupted),
                callbacks=[self._after],
            )

    def _quality(self, trial: optuna.Trial) -> float:
        """Of one trial's model, on the validation photos. Raises TrialPruned, TrialFailed, TrialInterrupted."""
        values = {part.name: part.suggested(trial) for part in self._settings.space}
        places = prepare(self._folders, trial.number, {**self._settings.training, **values})
        try:
            with self._shares.one() as share:
                quality = self._trained(trial, places, share)
            self._keep_if_needed(trial, places.model, quality)
        except TrialFailed as error:
            trial.set_user_attr("reason", str(error)[:1000])
            raise
        finally:
            shutil.rmtree(places.base, ignore_errors=True)
        return quality

    def _trained(self, trial: optuna.Trial, places: Places, share: Mapping[str, str]) -> float:
        process, seen = started(places, trial.number, self._environment, share), list[float]()
        with self._under_way.holding(process), process:
            try:
                for number, quality in rounds(process):
                    seen.append(quality)
                    trial.report(quality, number)
                    _give_up_if_behind(trial)
                reached = ended(process, places)
            except TrialFailed as error:
                self._go_on(error)
                raise
            finally:
                end(process)
        self._go_on()
        if not seen:
            raise TrialFailed("The training said nothing of its quality on the validation photos.")
        return seen[-1] if reached is None else reached

    def _go_on(self, error: Exception | None = None) -> None:
        """Raises TrialInterrupted if the search does not: whatever the trial said then is not for its values."""
        if self._under_way.stopped:
            raise TrialInterrupted("The search was told to end.") from error

    def _keep_if_needed(self, trial: optuna.Trial, model: Path, quality: float) -> None:
        """Its model, if it is the best so far, or that of the values of now. Others of no more use are deleted."""
        best, current = best_trial(self._trials), current_trial(self._trials)
        is_best = best is None or quality > (best.value or 0.0)
        if is_best or "current" in trial.user_attrs:
            shutil.copytree(model, self._folders.kept_model(trial.number), dirs_exist_ok=True)
        if is_best and best is not None and best is not current:
            shutil.rmtree(self._folders.kept_model(best.number), ignore_errors=True)

    def _after(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if self._under_way.stopped:
            study.stop()
        if is_over(trial):
            write_hparams(self._folders.events(trial.number), trial)
        say(trial, best_trial(self._trials))
        self._report("searching")

    def _report(self, state: str, test: Mapping[str, Any] | None = None) -> None:
        write_report(self._places.checkpoints / REPORT, self._settings, self._study, state, test)
        if state != "searching":
            self._folders.output.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._places.checkpoints / REPORT, self._folders.output / REPORT)

    def _tested(self) -> Mapping[str, Any] | None:
        """Of the best trial and of the values of now."""
        wanted = {"best": best_trial(self._trials), "current": current_trial(self._trials)}
        models = {name: self._folders.kept_model(trial.number) for name, trial in wanted.items() if trial}
        there = {name: folder for name, folder in models.items() if folder.is_dir()}
        return tested(self._settings.stage, self._places.channel("test"), there, threads=self._threads)

    def _first_reason(self) -> str:
        return next((trial.user_attrs["reason"] for trial in self._trials if "reason" in trial.user_attrs), "")

    @property
    def _trials(self) -> list[FrozenTrial]:
        return list(self._study.get_trials(deepcopy=False))


def opened(journal: Path, seed: int) -> optuna.Study:
    """The study in the journal, begun if there is none. A last line that was cut off is no loss."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # `say` tells of trials that failed
    journal.parent.mkdir(parents=True, exist_ok=True)
    if journal.exists():
        whole, _, _ = journal.read_bytes().rpartition(b"\n")
        journal.write_bytes(whole + b"\n" if whole else b"")
    lock = JournalFileSymlinkLock(str(Path(tempfile.mkdtemp()) / "lock"))  # one beside the journal would come back
    storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=lock))
    study = optuna.create_study(study_name="search", storage=storage, direction="maximize", load_if_exists=True)
    study.sampler = TPESampler(seed=seed + len(study.get_trials(deepcopy=False)), n_startup_trials=RANDOM_TRIALS)
    study.pruner = MedianPruner(n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=UNPRUNED_ROUNDS)
    return study


def _give_up_if_behind(trial: optuna.Trial) -> None:
    """Raises TrialPruned."""
    if trial.should_prune():
        raise optuna.TrialPruned


def _gpus() -> int:
    import torch  # seconds to load, and of no other use to the search

    return int(torch.cuda.device_count())
