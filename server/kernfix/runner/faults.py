"""Why a job ends without the judge: neither is ever counted against the patch.

::

    RunnerFault   the infrastructure's own fault: tried again, then the verdict is runner-error
    BadRequest    the job's inputs make it impossible (a reproducer that does not compile, a tree that is not a kernel): the job is
                  rejected with the reason, and never tried again
"""

from __future__ import annotations


class RunnerFault(Exception):
    """The runner could not do its part."""


class BadRequest(Exception):
    """The job's own inputs make it impossible; trying again cannot help."""
