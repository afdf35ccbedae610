import { createModelStore } from '../../src/admission/model.ts';
import { storeContract } from './contract.ts';

storeContract('model', async () => {
  const store = createModelStore();
  return { store, dispose: store.close };
});
