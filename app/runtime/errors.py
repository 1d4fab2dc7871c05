"""Failures of the process around the domain; a rejected event is `app.domain.rejects.RejectedEvent`."""


class VoicemonError(Exception):
    """A failure with one sentence that tells the user what to do; the CLI prints it and exits with `exit_code`.

    `needs_operator` says of one that is tried again that waiting alone will not help.
    """

    exit_code = 1
    needs_operator = False


class SinkUnavailable(VoicemonError):
    """The store cannot take rows now: back off and retry, acknowledge nothing.

    `code` is the store's own number of the error, or a short word such as `timeout` where it gave none.
    """

    def __init__(self, message: str, *, code: str = "", needs_operator: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.needs_operator = needs_operator


class BrokerUnavailable(VoicemonError):
    """Kafka does not answer: try again."""

    @classmethod
    def at(cls, bootstrap: str, error: Exception) -> "BrokerUnavailable":
        """The error for brokers that did not answer because of `error`."""
        reason = type(error).__name__
        return cls(f"Kafka at {bootstrap} does not answer ({reason}): start it or set VOICEMON_KAFKA_BOOTSTRAP")


class DeadLetterUndelivered(VoicemonError):
    """A dead letter did not reach its topic: nothing may be acknowledged beyond its record."""


class RowRefused(VoicemonError):
    """The store blames one row of a batch.

    `index` is the row's position in the batch from 0, or None where the store does not say which.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index
