"""Does a module keep the contract with Loc360? Drives it as the platform does and names each breach.

From Python `check_module`; from outside `python -m loc360.conformance MODULE PHOTO...`, which asks whoever started it
for the models' replies. What is here is no part of the module's work: a release's name does not change with it.
"""

from loc360.conformance.check import check_module
from loc360.conformance.report import Breach, Report, Rule

__all__ = ["Breach", "Report", "Rule", "check_module"]
