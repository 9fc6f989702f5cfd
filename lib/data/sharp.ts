// The one place that loads `sharp`. Its types stay in here: a declaration that named them would ask every project for the package.

import { MissingPackageError } from '../errors.js';

/** What `sharp` exports. */
export type Sharp = typeof import('sharp').default;

/** The package that decodes. */
export async function loadSharp(): Promise<Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (error) {
    throw new MissingPackageError('images are decoded by the package sharp, which is not installed: npm install sharp', { cause: error });
  }
}
