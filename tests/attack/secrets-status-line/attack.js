// Not every part of an answer is its body.
export default async (way, { told }) => {
  const [place, init] = told.control ? ["open", { headers: { "x-key": told.secret } }] : ["v1", {}];
  const answer = await fetch(`https://vault.example.com/${place}/echo/${way}`, init);
  return `${answer.statusText} ${JSON.stringify([...answer.headers])} ${await answer.text()}`;
};
