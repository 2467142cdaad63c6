// Both have the class `Keeper`, the binding `KEEPER` and the name `kept`.
const ways = {
  id: (KEEPER, { object }) => KEEPER.idFromString(object),
  name: (KEEPER) => KEEPER.idFromName("kept"),
  "name-upper": (KEEPER, { object }) => KEEPER.idFromString(object.toUpperCase()),
};

export default async (row, { env, told }) => String(await env.KEEPER.get(ways[row](env.KEEPER, told.stolen)).kept());
