// Environment variables: the only place that reads them. A value that cannot be followed is kept, and `info().warnings` says so.
#pragma once
#include <initializer_list>
#include <string>
#include <vector>

namespace nodegrad {

// The value of a variable; null where it is not set, or empty.
const char* variable(const char* name);
// Which of the choices a variable holds, from 0; −1 where it is not set, or holds none of them.
int variableChoice(const char* name, std::initializer_list<const char*> choices);
// The whole number in [lowest, highest] that a variable holds; `lowest` − 1 where it is not set, or holds none.
int variableNumber(const char* name, int lowest, int highest);
// Keeps what is wrong with a variable.
void refuseVariable(const std::string& problem);
std::vector<std::string> refusedVariables();

}  // namespace nodegrad
