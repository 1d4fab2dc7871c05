"""A page of dead letters."""

from dataclasses import dataclass, field

from app.dead_letters.choice import Choice
from app.dead_letters.letters import Letter, Place, letters_of
from app.dead_letters.preview import masked
from app.runtime.log_reader import log_reader
from app.runtime.settings import KafkaSettings
from app.runtime.topics import Topics


@dataclass(slots=True)
class Entry:
    """One refused record: its first dead letter, and how many it has in all."""

    place: Place
    source: Place
    refused_ms: int
    append_time_ms: int
    reason: str
    detail: str
    preview: str
    is_truncated: bool
    retried_from: str | None
    copies: int = 1


@dataclass(slots=True)
class Page:
    """Entries in the order of the dead-letter topic; `cursor` starts the next page, None after the last one."""

    entries: list[Entry] = field(default_factory=list)
    cursor: str | None = None


async def list_letters(settings: KafkaSettings, choice: Choice, limit: int, after: Place | None) -> Page:
    """The first `limit` chosen entries behind the dead letter at `after`.

    Memory holds the page and the source of every chosen dead letter. Raises BrokerUnavailable, VoicemonError.
    """
    topics = Topics(settings.topic_prefix)
    found: dict[tuple[Place, int], Entry | None] = {}
    page = Page()
    async with log_reader(settings) as reader:
        for span in await reader.spans(topics.dead_letters):
            async for records in reader.batches(span):
                for letter in letters_of(records, topics.events):
                    if choice.has(letter):
                        _note(letter, found, page, limit, after)
    return page


def _note(
    letter: Letter, found: dict[tuple[Place, int], Entry | None], page: Page, limit: int, after: Place | None
) -> None:
    if letter.identity in found:
        entry = found[letter.identity]
        if entry is not None:
            entry.copies += 1
        return
    found[letter.identity] = None
    if after is not None and letter.place <= after:
        return
    if len(page.entries) < limit:
        found[letter.identity] = entry = _entry(letter)
        page.entries.append(entry)
    elif page.cursor is None:
        page.cursor = str(page.entries[-1].place)


def _entry(letter: Letter) -> Entry:
    return Entry(
        place=letter.place,
        source=letter.source,
        refused_ms=letter.record.timestamp,
        append_time_ms=letter.append_time_ms,
        reason=letter.reason,
        # The store's words may quote the row.
        detail="" if letter.is_stored_only_by_replay else letter.detail,
        preview=masked(letter.record.value),
        is_truncated=letter.is_truncated,
        retried_from=letter.retried_from,
    )
