// A field beside a slider: shows its position, and asks Python about what is typed.
const DIGITS = 6;

async function sliderOf(model) {
  return model.widget_manager.get_model(model.get("slider").replace("IPY_MODEL_", ""));
}

export default {
  async render({ model, el }) {
    el.classList.add("wb-number");
    const id = `wb-number-${Math.random().toString(36).slice(2)}`;
    const field = Object.assign(document.createElement("input"), { type: "text", inputMode: "decimal" });
    const problem = Object.assign(document.createElement("div"), { id, className: "wb-wrong" });
    field.autocomplete = "off";
    field.setAttribute("aria-label", model.get("label"));
    field.setAttribute("aria-describedby", id);
    problem.setAttribute("role", "alert");
    el.append(field, problem);
    const slider = await sliderOf(model);

    const spelled = () => String(Number(slider.get("value").toPrecision(DIGITS)));
    const say = (sentence) => {
      problem.textContent = sentence;
      field.setAttribute("aria-invalid", String(Boolean(sentence)));
    };
    let editing = false; // what arrives while somebody types is about something older and leaves their text alone
    const restore = () => {
      if (editing) return;
      field.value = spelled();
      say("");
    };
    const commit = () => {
      if (!editing) return;
      editing = false;
      if (field.value === spelled()) say("");
      else model.send({ typed: field.value });
    };
    const answered = ({ problem: sentence }) => {
      if (!sentence) restore();
      else if (!editing) say(sentence);
    };
    field.addEventListener("input", () => {
      editing = true;
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") commit();
      if (event.key === "Escape") {
        editing = false;
        restore();
      }
    });
    field.addEventListener("change", commit);
    field.addEventListener("focus", () => field.select());
    slider.on("change:value", restore);
    model.on("msg:custom", answered);
    restore();
    return () => {
      slider.off("change:value", restore);
      model.off("msg:custom", answered);
    };
  },
};
