minute >= toDateTime(intDiv({start_ms:Int64}, 60000) * 60, 'UTC') AND minute < toDateTime(intDiv({end_ms:Int64} + 999, 1000), 'UTC')
