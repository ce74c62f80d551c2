"""The detector beside its peers on real photos: equal time to learn, the same photos to be tested on.

Photos are dealt into folds by group (a plant, a plot), so that no plant is both learnt and tested. Each model learns
each time from all folds but one, for the same wall time on the same machine, and is tested on the one held out. Nobody
sees test photos before: there are no validation photos, and what is tested is the last network, not the best.

- ours: the training job as SageMaker runs it, and the TorchScript that it leaves to be served.
- yolo: YOLO11n from scratch, by Ultralytics' command line in an environment of its own. It is AGPL: nothing of it is
  imported, and nothing of ours depends on it.
- baseline: ours' encoder with ours' first weights under a plain head, see `benchmarks.detector.baseline`.
"""
