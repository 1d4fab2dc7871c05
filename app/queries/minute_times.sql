,
    groupArrayIf(toUInt32(length), is_usable AND kind = 'transcription_completed') AS transcriptionTimes,
    groupArrayIf(toUInt32(length), is_usable AND kind = 'claims_extracted') AS claimsExtractionTimes,
    groupArrayIf(toUInt32(length), is_usable AND kind IN ('entity_resolution_completed', 'entity_needs_disambiguation')) AS entityResolutionTimes,
    groupArrayIf(toUInt32(length), is_usable AND kind = 'drafts_generated') AS draftGenerationTimes,
    groupArrayIf(length, kind = 'end_to_end') AS endToEndTimes
