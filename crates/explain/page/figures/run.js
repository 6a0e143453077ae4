// A descent that is computed as it is looked at: whole when the page opens, a few milliseconds a frame after a slider has
// moved, so that no frame waits for it; and played again, a step a frame, by its button.

const BUDGET = 5;

export class Run {
  /** `begin` gives `{ first, next }`: the first state, and the state after another. */
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

  /** Begins anew with what the controls now say. */
  restart() {
    this.player.stop();
    this.load();
    this.at = this.steps;
    this.figure.busy = true;
  }

  /** The states up to the step that is looked at, as far as there are any yet. */
  shown() {
    const end = performance.now() + BUDGET;
    while (this.states.length <= this.at && performance.now() < end) this.one();
    this.figure.busy = this.states.length <= this.at;
    if (this.figure.busy) this.figure.later();
    return this.states.slice(0, this.at + 1);
  }
}
