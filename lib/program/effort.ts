// How often fusing and planning look at something: a test holds that it grows with a program's length, and not with its square.

export const effort = { looks: 0 };
