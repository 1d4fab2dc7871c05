"""Texts that a publisher could put into an event to harm those who look at it."""

HOSTILE = "<script>document.title='broken'</script><img src=x onerror=alert(1)> \u202egnp.exe\u202c 🎙️"
LONG = "x" * 10_000
