// Tells all headers that came.
export default (row, { request }) => JSON.stringify([...request.headers]);
