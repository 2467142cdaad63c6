// `big` is an upload of the neighbour that is not complete.
export default async (row, { env, told }) => {
  const upload = env.FILES.resumeMultipartUpload("big", told.stolen.upload);
  await upload.uploadPart(row === "part" ? 2 : 1, new Uint8Array(1 << 10).fill(66));
  return "succeeded";
};
