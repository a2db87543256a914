// Says that every widget of the page has been made.
export default {
  render({ model }) {
    model.send({ kind: "here" });
  },
};
