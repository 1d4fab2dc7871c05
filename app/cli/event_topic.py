"""Options of the commands that publish, and the topic they name."""

import logging
from dataclasses import dataclass
from typing import Annotated

import typer

from app.publisher.topic import TopicFacts, require_topic
from app.runtime.settings import KafkaSettings, Settings
from app.runtime.topics import Topics

Bootstrap = Annotated[str | None, typer.Option(help="Kafka brokers, instead of VOICEMON_KAFKA_BOOTSTRAP.")]
Prefix = Annotated[str | None, typer.Option(help="Topic prefix, instead of VOICEMON_KAFKA_TOPIC_PREFIX.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]


@dataclass(frozen=True, slots=True)
class EventTopic:
    """An existing topic of events."""

    bootstrap: str
    prefix: str
    facts: TopicFacts
    security: KafkaSettings

    @property
    def name(self) -> str:
        """The topic's name."""
        return Topics(self.prefix).events


def find_event_topic(bootstrap: str | None, prefix: str | None) -> EventTopic:
    """The topic that options and settings name; VoicemonError if it or its broker is not there."""
    # The commands say themselves what is wrong with the broker, in one sentence.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    settings = Settings.from_environment().kafka
    brokers = bootstrap or settings.bootstrap
    chosen = settings.topic_prefix if prefix is None else prefix
    facts = require_topic(brokers, settings, Topics(chosen).events)
    return EventTopic(brokers, chosen, facts, settings)
