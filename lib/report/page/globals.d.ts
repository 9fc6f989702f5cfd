// What the page gets from uPlot, as far as it uses it.

interface UPlot {
  readonly ctx: CanvasRenderingContext2D;
  readonly bbox: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
  readonly over: HTMLElement;
  readonly root: HTMLElement;
  readonly width: number;
  destroy(): void;
  setData(data: unknown): void;
  setSize(size: { width: number; height: number }): void;
  valToPos(value: number, scale: string, isCanvas?: boolean): number;
}

declare const uPlot: {
  new (options: object, data: unknown, place: HTMLElement): UPlot;
  join(tables: readonly unknown[]): unknown;
};
