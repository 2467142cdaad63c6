// The objects of a server may keep 8 MiB, and none of their files is larger.
export default async (_, { env }) => {
  const ids = Array.from({ length: 10 }, (_, number) => env.KEEPER.idFromName(`race-${number}`));
  const tried = await Promise.allSettled(ids.map((id) => env.KEEPER.get(id).fill(16 << 20)));
  return tried.map(({ value, reason }) => value ?? reason?.message).join("; ");
};
