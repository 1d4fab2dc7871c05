// Before the first paint, so that a chosen theme does not flash in from the other one.
try {
  const choice = localStorage.getItem("voicemon-theme");
  if (choice === "light" || choice === "dark") document.documentElement.dataset.theme = choice;
} catch {
  // storage is forbidden: the system's theme it is
}
