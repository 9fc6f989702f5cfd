// x.
import type { Study } from './study.js';
export function searchReport(study: Study): string { return study.name; }
