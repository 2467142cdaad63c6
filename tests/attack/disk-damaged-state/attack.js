// Success is an answer from a damaged file.
export default async (row, { env: { KEEPER } }) => {
  const of = (name) => KEEPER.get(KEEPER.idFromName(name));
  if (row === "plant") {
    for (const name of ["damaged", "whole-one"]) await of(name).keep(`${name} `.repeat(2000));
    return KEEPER.idFromName("damaged").toString();
  }
  const whole = await of("whole-one").kept();
  if (!whole?.startsWith("whole-one")) throw new Error("another object is harmed");
  const kept = await of("damaged").kept();
  return `${kept === undefined ? "refused" : "succeeded"} ${String(kept).slice(0, 20)}`;
};
