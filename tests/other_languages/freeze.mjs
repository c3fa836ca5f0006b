// Freezes a model by CONTENT, with nothing but @grpc/grpc-js and the contract.
//   node freeze.mjs ADDRESS PROTO_FOLDER MODEL_FOLDER OUTPUT MODEL FILE...
// MODEL and each FILE are paths below MODEL_FOLDER. Prints what the server told first, as JSON; where it refuses,
// the status as JSON to stderr, and exits with 1.
import fs from 'node:fs';
import path from 'node:path';
import grpc from '@grpc/grpc-js';
import loader from '@grpc/proto-loader';

const CHUNK_BYTES = 1 << 20;

const [address, protoFolder, folder, output, model, ...names] = process.argv.slice(2);

async function main() {
  const definition = loader.loadSync('tffreeze/v1/freeze_service.proto', {
    includeDirs: [protoFolder], keepCase: true, longs: Number, enums: String, oneofs: true,
  });
  const { FreezeService } = grpc.loadPackageDefinition(definition).tffreeze.v1;
  const client = new FreezeService(address, grpc.credentials.createInsecure());
  try {
    const call = client.Freeze({ deadline: Date.now() + 60_000 });
    const [result] = await Promise.all([receive(call), send(call)]);
    fs.writeFileSync(output, result.content);
    console.log(JSON.stringify(result.started));
  } finally {
    client.close();
  }
}

// The spec, then the chunks of each file in order; waits where the server is slower.
async function send(call) {
  const files = names.map((name) => ({ name, size_bytes: fs.statSync(path.join(folder, name)).size }));
  await write(call, { spec: { source: { upload: { files }, model }, delivery: 'DELIVERY_CONTENT' } });
  for (const [index, name] of names.entries()) {
    let offset = 0;
    for await (const data of fs.createReadStream(path.join(folder, name), { highWaterMark: CHUNK_BYTES })) {
      await write(call, { chunk: { file_index: index, offset_bytes: offset, data } });
      offset += data.length;
    }
  }
  call.end();
}

// A call that is over takes no more; why, the receiver knows.
function write(call, message) {
  return new Promise((resolve) => call.write(message, resolve));
}

async function receive(call) {
  let started, finished;
  const pieces = [];
  for await (const response of call) {
    if (response.message === 'started') started = response.started;
    if (response.message === 'content') pieces.push(response.content.data);
    if (response.message === 'finished') finished = response.finished;
  }
  const content = Buffer.concat(pieces);
  if (!finished || content.length !== started.total_size_bytes) throw new Error('The result is not whole.');
  return { started, content };
}

main().catch((error) => {
  console.error(JSON.stringify({ code: grpc.status[error.code] ?? String(error), message: error.details }));
  process.exitCode = 1;
});
