fromUnixTimestamp64Milli(
    greatest({start_ms:Int64}, {now_ms:Int64} - (SELECT events FROM visible_hours) * 3600000), 'UTC')
