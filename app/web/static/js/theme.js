// Light and dark: as the system has it until a reader chooses otherwise.

const KEY = "voicemon-theme";
const CHOICES = ["system", "light", "dark"];
const NAMES = { system: "System", light: "Light", dark: "Dark" };

function stored() {
  try {
    const choice = localStorage.getItem(KEY);
    return CHOICES.includes(choice) ? choice : "system";
  } catch {
    return "system"; // storage is forbidden: the choice lasts as long as the page
  }
}

function apply(choice, control) {
  if (choice === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = choice;
  control.value = choice;
}

/** Make the select element in the header work. */
export function installTheme(control) {
  for (const choice of CHOICES) control.append(new Option(NAMES[choice], choice));
  apply(stored(), control);
  control.addEventListener("change", () => {
    apply(control.value, control);
    try {
      localStorage.setItem(KEY, control.value);
    } catch {
      // as above
    }
  });
}
