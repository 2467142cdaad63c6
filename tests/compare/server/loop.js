// One operation after the other, for counting how many a second can do.

export const loop = {
  async kvPut({ KV }, times) {
    for (let n = 0; n < times; n += 1) await KV.put(`loop/${n % 100}`, `value ${n}`);
    return times;
  },
  async kvGet({ KV }, times) {
    for (let n = 0; n < times; n += 1) await KV.get(`loop/${n % 100}`);
    return times;
  },
  async d1Query({ DB }, times) {
    await DB.exec("CREATE TABLE IF NOT EXISTS loop (id INTEGER PRIMARY KEY, a TEXT)");
    await DB.prepare("INSERT OR REPLACE INTO loop VALUES (1, 'one')").run();
    const query = DB.prepare("SELECT a FROM loop WHERE id = ?").bind(1);
    for (let n = 0; n < times; n += 1) await query.first();
    return times;
  },
};
