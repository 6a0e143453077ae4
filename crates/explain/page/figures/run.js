// A gradient descent that is computed on demand. When the page opens, all steps are computed. After a slider moves, each frame
// computes for a few milliseconds, so that no frame is late. The play button shows one step per frame.

const BUDGET = 5;

export class Run {
  /** `begin` returns `{ first, next }`: the first state, and a function from one state to the next. */
  constructor(figure, steps, begin) {
    this.figure = figure;
    this.steps = steps;
    this.begin = begin;
    this.load();
    while (this.states.length <= steps) this.one();
    this.at = steps;
    this.player = figure.player({
      advance: () => {
        if (this.at >= this.steps) this.at = 0;
        else this.at += 1;
        while (this.states.length <= this.at) this.one();
        return this.at < this.steps;
      },
      reset: () => {
        this.at = 0;
      },
    });
  }

  load() {
    const { first, next } = this.begin();
    this.next = next;
    this.states = [first];
  }

  one() {
    this.states.push(this.next(this.states[this.states.length - 1]));
  }

  /** Starts again with the current values of the controls. */
  restart() {
    this.player.stop();
    this.load();
    this.at = this.steps;
    this.figure.busy = true;
  }

  /** The states up to the current step, as far as they are computed. */
  shown() {
    const end = performance.now() + BUDGET;
    while (this.states.length <= this.at && performance.now() < end) this.one();
    this.figure.busy = this.states.length <= this.at;
    if (this.figure.busy) this.figure.later();
    return this.states.slice(0, this.at + 1);
  }
}
