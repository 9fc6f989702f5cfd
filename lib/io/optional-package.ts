// Packages that are optional: imported when they are first needed.

import { MissingPackageError } from '../errors.js';

/** Imports a package for a purpose, such as `Parquet files are read`. */
export async function optionalPackage<T>(purpose: string, name: string, bring: () => Promise<T>): Promise<T> {
  try {
    return await bring();
  } catch (error) {
    throw new MissingPackageError(`${purpose} by the package ${name}, which is not installed: npm install ${name}`, { cause: error });
  }
}
