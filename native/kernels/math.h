// placeholder until the real one lands: see branch math
template <class T> inline V<T> eachLane(V<T> x, T (*f)(T)) { T t[16]; store(t, x); for (int i = 0; i < 16; ++i) t[i] = f(t[i]); return load(t); }
template <class T> inline V<T> exp(V<T> x) { return eachLane<T>(x, [](T a) -> T { return T(__builtin_exp(double(a))); }); }
template <class T> inline V<T> log(V<T> x) { return eachLane<T>(x, [](T a) -> T { return T(__builtin_log(double(a))); }); }
template <class T> inline V<T> tanh(V<T> x) { return eachLane<T>(x, [](T a) -> T { return T(__builtin_tanh(double(a))); }); }
template <class T> inline V<T> sigmoid(V<T> x) { return eachLane<T>(x, [](T a) -> T { return T(1 / (1 + __builtin_exp(-double(a)))); }); }
template <class T> inline V<T> log1p(V<T> x) { return eachLane<T>(x, [](T a) -> T { return T(__builtin_log1p(double(a))); }); }
