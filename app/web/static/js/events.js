// What the event types mean to a reader: a sentence, a symbol, a tone.

/** Stages in order of flow. */
export const STAGES = {
  ingestion: "Ingestion",
  transcription: "Transcription",
  claims_extraction: "Claims",
  entity_resolution: "Resolution",
  draft_generation: "Drafts",
  confirmation: "Confirmation",
};

const SENTENCES = {
  artifact_received: "Note received",
  artifact_status_changed: "Status changed",
  artifact_completed: "Note completed",
  artifact_failed: "Note failed",
  transcription_started: "Transcription started",
  transcription_completed: "Transcription completed",
  transcription_failed: "Transcription failed",
  claims_extraction_started: "Claims extraction started",
  claims_extracted: "Claims extracted",
  claims_extraction_failed: "Claims extraction failed",
  entity_resolution_started: "Entity resolution started",
  entity_resolution_completed: "Entities resolved",
  entity_needs_disambiguation: "Entities need disambiguation",
  entity_resolution_failed: "Entity resolution failed",
  draft_generation_started: "Draft generation started",
  drafts_generated: "Drafts generated",
  draft_generation_failed: "Draft generation failed",
  draft_confirmed: "Draft confirmed by the coach",
  draft_rejected: "Draft rejected by the coach",
  circuit_breaker_opened: "AI service calls blocked",
  circuit_breaker_closed: "AI service calls allowed again",
  retry_initiated: "Retry initiated",
  retry_succeeded: "Retry succeeded",
  retry_failed: "Retry failed",
  budget_threshold_reached: "Budget threshold reached",
  budget_exceeded: "Budget exceeded",
  rate_limit_hit: "Rate limit hit",
};

/** All 27 types. */
export const EVENT_TYPES = Object.keys(SENTENCES);

const SYMBOLS = { good: "✓", bad: "✕", started: "▸", retry: "↻", breaker: "⚡", neutral: "•", open: "?" };

/** good, bad, started, retry, breaker, open (waits for a human) or neutral. */
export function tone(type) {
  if (type.startsWith("circuit_breaker")) return "breaker";
  if (/_failed$|_exceeded$/.test(type)) return "bad";
  if (type === "retry_succeeded" || /_completed$|_extracted$|_generated$|_confirmed$/.test(type)) return "good";
  if (type.startsWith("retry_")) return "retry";
  if (type.endsWith("_started") || type === "artifact_received") return "started";
  if (type === "entity_needs_disambiguation" || type.startsWith("budget_") || type === "rate_limit_hit") return "open";
  return "neutral";
}

/** The symbol of a type's tone. */
export const symbol = (type) => SYMBOLS[tone(type)];

/** A type in words. */
export const typeText = (type) => SENTENCES[type] ?? type;

/** An event in words. */
export function sentence(event) {
  const text = typeText(event.eventType);
  if (event.eventType === "artifact_status_changed" && event.newStatus) {
    return event.previousStatus ? `${text}: ${event.previousStatus} → ${event.newStatus}` : `${text}: ${event.newStatus}`;
  }
  if (event.eventType.startsWith("retry_") && event.pipelineStage) return `${text} (${stageText(event.pipelineStage)})`;
  return text;
}

/** A stage in words. */
export const stageText = (stage) => STAGES[stage] ?? stage;

const CHANNELS = {
  whatsapp_audio: "WhatsApp audio",
  whatsapp_text: "WhatsApp text",
  app_recorded: "App, recorded",
  app_typed: "App, typed",
  voicemail: "Voicemail",
};

/** Channels that we know of; others are possible. */
export const KNOWN_CHANNELS = Object.keys(CHANNELS);

/** A channel in words. */
export const channelText = (channel) => CHANNELS[channel] ?? channel;

export const STATUSES = ["received", "transcribing", "transcribed", "processing", "completed", "failed"];

/** Tone of an artifact's status. */
export const statusTone = (status) => ({ completed: "good", failed: "bad" })[status] ?? (status ? "started" : "neutral");

export const ERROR_TYPES = [...EVENT_TYPES.filter((type) => type.endsWith("_failed")), "circuit_breaker_opened"];
