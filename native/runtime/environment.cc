// Environment variables, and what was wrong with them.
#include "environment.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>

namespace nodegrad {
namespace {

// Never destroyed.
std::mutex& turn = *new std::mutex();
std::vector<std::string>& refused = *new std::vector<std::string>();

bool isSpace(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

const char* variable(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? value : nullptr;
}

int variableChoice(const char* name, std::initializer_list<const char*> choices) {
  const char* value = variable(name);
  if (!value) return -1;
  int at = 0;
  std::string list;
  for (const char* choice : choices) {
    if (std::strcmp(value, choice) == 0) return at;
    list += at == 0 ? "" : at + 1 == int(choices.size()) ? " or " : ", ";
    list += choice;
    ++at;
  }
  refuseVariable(std::string(name) + "=" + value + " is ignored: it must be " + list);
  return -1;
}

int variableNumber(const char* name, int lowest, int highest) {
  const char* value = variable(name);
  if (!value) return lowest - 1;
  char* end = nullptr;
  errno = 0;
  const long number = std::strtol(value, &end, 10);
  const bool isNumber = end != value && errno == 0;
  while (isSpace(*end)) ++end;
  if (isNumber && *end == '\0' && number >= lowest && number <= highest) return int(number);
  refuseVariable(std::string(name) + "=" + value + " is ignored: it must be a whole number from " + std::to_string(lowest) + " to " + std::to_string(highest));
  return lowest - 1;
}

void refuseVariable(const std::string& problem) {
  std::lock_guard<std::mutex> lock(turn);
  for (const std::string& known : refused)
    if (known == problem) return;
  refused.push_back(problem);
}

std::vector<std::string> refusedVariables() {
  std::lock_guard<std::mutex> lock(turn);
  return refused;
}

}  // namespace nodegrad
