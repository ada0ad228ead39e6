"""Drop-in accountants for other libraries: `interop.dp_accounting` and `interop.opacus`.

Each module needs its library only when it is imported; `edgeworth_acct` itself imports neither.
"""
