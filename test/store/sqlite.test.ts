import { test } from 'node:test';
import { storeContract } from './contract.ts';
import { checkAgainstModel } from './properties.ts';
import { openSqliteWorldFile } from './sqlite-file.ts';

storeContract('SQLite', openSqliteWorldFile);

test('SQLite: generated histories give what the model gives', async () => {
  await checkAgainstModel(openSqliteWorldFile, 60);
});
