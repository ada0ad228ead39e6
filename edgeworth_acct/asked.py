"""Parameters that have the name of a question: both work, ``mechanism.epsilon`` and ``mechanism.epsilon(1e-5)``."""

from edgeworth_acct.composition import Composable


class Asked(float):
    """A parameter, a number like any other, that answers the question of its name when it is called."""

    def __new__(cls, value, question):
        """The number `value`, which calls `question`."""
        self = super().__new__(cls, value)
        self._question = question
        return self

    def __call__(self, *args, **kwargs):
        """The answer."""
        return self._question(*args, **kwargs)

    def __reduce__(self):
        return float, (float(self),)


class AskedField:
    """Descriptor of a dataclass field that is named like a method of `Composable`."""

    def __set_name__(self, owner, name):
        self._name = name

    def __get__(self, instance, owner):
        if instance is None:
            raise AttributeError(self._name)  # the field has no default
        return Asked(vars(instance)[self._name], getattr(Composable, self._name).__get__(instance))

    def __set__(self, instance, value):
        vars(instance)[self._name] = float(value) if isinstance(value, Asked) else value
