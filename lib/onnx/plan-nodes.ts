// The nodes of a plan while it is made, in the order in which they run: who makes and who reads each value is known without a search.

import type { PlanNode } from './held.js';

/** Nodes in their order. */
export class PlanNodes {
  readonly #nodes: (PlanNode | null)[] = [];
  readonly #places = new Map<PlanNode, number>();
  readonly #readers = new Map<string, Set<number>>();
  readonly #makers = new Map<string, number>();

  /** All nodes, those first that run first. */
  get all(): PlanNode[] {
    return this.#nodes.filter((node) => node !== null);
  }

  push(node: PlanNode): void {
    this.#put(this.#nodes.length, node);
  }

  #put(place: number, node: PlanNode): void {
    this.#nodes[place] = node;
    this.#places.set(node, place);
    for (const name of node.inputs) {
      const readers = this.#readers.get(name);
      if (readers === undefined) this.#readers.set(name, new Set([place]));
      else readers.add(place);
    }
    for (const name of node.outputs) if (!this.#makers.has(name)) this.#makers.set(name, place);
  }

  #take(node: PlanNode): number {
    const place = this.#places.get(node) as number;
    this.#nodes[place] = null;
    this.#places.delete(node);
    for (const name of node.inputs) this.#readers.get(name)?.delete(place);
    for (const name of node.outputs) if (this.#makers.get(name) === place) this.#makers.delete(name);
    return place;
  }

  remove(node: PlanNode): void {
    this.#take(node);
  }

  /** Puts a node in the place of another. */
  replace(node: PlanNode, other: PlanNode): void {
    this.#put(this.#take(node), other);
  }

  /** Nodes that read a value. */
  readers(name: string): PlanNode[] {
    return [...(this.#readers.get(name) ?? [])].map((place) => this.#nodes[place] as PlanNode);
  }

  /** The node that makes a value; null for inputs and constants. */
  maker(name: string): PlanNode | null {
    return this.#nodes[this.#makers.get(name) ?? -1] ?? null;
  }
}
