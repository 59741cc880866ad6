"""Methods by metrics beside controls: scores, tables, report, gate and the consistency endpoint."""
