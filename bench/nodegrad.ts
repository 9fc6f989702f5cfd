// nodegrad as a contestant, through its public interface.

import { Skip, serve } from './protocol.js';

await serve(() => {
  throw new Skip('not plugged in yet');
});
