// What the built declarations export: interfaces of options, with their options and which of them may be left out.
import { join } from 'node:path';
import ts from 'typescript';
import { root } from './sources.js';

/** The exported interfaces whose names end in Options, each with its options: true for those that may be left out. */
export function declaredOptions(): Map<string, Map<string, boolean>> {
  const path = join(root, 'dist/lib/index.d.ts');
  const program = ts.createProgram([path], { module: ts.ModuleKind.Node16, moduleResolution: ts.ModuleResolutionKind.Node16, noLib: true });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(path) as ts.SourceFile;
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source) as ts.Symbol);
  const found = new Map<string, Map<string, boolean>>();
  for (const symbol of exported.filter(({ name }) => /\wOptions$/.test(name))) {
    const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
    const properties = checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(target));
    found.set(symbol.name, new Map(properties.map(({ name, flags }) => [name, (flags & ts.SymbolFlags.Optional) !== 0])));
  }
  return found;
}
