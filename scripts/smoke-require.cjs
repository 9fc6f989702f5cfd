// Copied into the folder where the tarballs are installed: the package from CommonJS, and one class whichever way it came.

const assert = require('node:assert/strict');
const { Tensor, info, tensor } = require('nodegrad');

assert.deepEqual(tensor([1, 2]).add(1).toArray(), [2, 3]);
assert.equal(info().version, require('nodegrad/package.json').version);
import('nodegrad').then((module) => {
  assert.equal(module.Tensor, Tensor, 'require and import must give the same module');
  console.log(`require('nodegrad') works on Node.js ${process.version}`);
});
