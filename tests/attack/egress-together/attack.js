// The outside answers how many wait there, and lets them wait for a while.
export default async () => {
  const ask = async () => {
    const text = await (await fetch("http://45.67.89.11:8080/hold")).text();
    return Number(text.split("together ")[1] ?? 0);
  };
  const counts = await Promise.all(Array.from({ length: 48 }, () => ask().catch(() => 0)));
  const most = Math.max(...counts);
  return `${most > 32 ? "succeeded" : "refused"} ${most} together`;
};
