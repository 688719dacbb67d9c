"""The arithmetic of evaluation: pure functions over numpy arrays, each by its field's standard definition.

A measure that is not defined for what it was given (an AUC with one class, R² of constant targets) is NaN;
`checks.defined` leaves such numbers out of a report. Empty, ragged, non-numeric or NaN input is a
`UserError`; an option that does not exist is a `ValueError`.
`classification`, `multilabel`, `regression`, `forecasting`, `tokens`, `ranking`, `text`, `boxes` and `masks`
measure; `intervals` says how sure a number is, `paired` whether one model is better than another on the same
rows; `plots` draws what was measured as SVG.
"""

from __future__ import annotations
