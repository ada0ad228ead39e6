"""Drop-in accountants for other libraries: `dp_accounting`, `opacus` and `prv_accountant`, modules named like them.

Each module needs its library only when it is imported; `edgeworth_acct` itself imports neither.
"""
