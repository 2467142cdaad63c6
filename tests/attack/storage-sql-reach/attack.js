// The control is a statement that every database answers.
export default async (sql, { env, told }) => {
  const answer = await env.DB.prepare(told.control ? "SELECT count(*) FROM sqlite_master" : sql).all();
  return `succeeded ${JSON.stringify(answer.results).slice(0, 200)}`;
};
