// 64 calls can be saved up, of 50 requests each.
const MOST = 64 * 50;

export default async () => {
  let [sent, passed] = [0, 0];
  const work = async () => {
    while (sent < MOST + 60) {
      sent += 1;
      const answer = await fetch("http://45.67.89.11:8080/");
      if ((await answer.text()) === "outside-heard") passed += 1;
    }
  };
  await Promise.all(Array.from({ length: 20 }, work));
  return `${passed > MOST + 50 ? "succeeded" : "refused"} ${passed} of ${sent}`;
};
