"""All doors."""

from tests.hostile import http_doors, labelling_doors, module_doors, stored_doors
from tests.hostile.door import Door

DOORS: list[Door] = [*labelling_doors.DOORS, *module_doors.DOORS, *stored_doors.DOORS, *http_doors.DOORS]
