// SPDX-License-Identifier: Apache-2.0
#include "vm/native_body.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "vm/unit.h"

namespace
{

constexpr size_t kLoopLinesMax = 512;   // of a loop that is written twice
constexpr size_t kMoreLinesMax = 20000; // written for that, of a module
constexpr size_t kBasesMax = 16;        // locals of a loop that may be bases
constexpr size_t kUsedMax = 4;          // that are
constexpr size_t kLabelsMax = 32;       // of a loop
constexpr uint64_t kSpanMax = 1 << 20;  // bytes
constexpr uint64_t kAlignMax = 4096;    // bytes

using Lines = std::vector<std::string>;

bool has(const std::string &line, const char *text)
{
    return line.find(text) != std::string::npos;
}

bool replace(std::string *line, const char *text, const std::string &by)
{
    const size_t at = line->find(text);
    if (at == std::string::npos)
        return false;
    line->replace(at, strlen(text), by);
    return true;
}

// A statement of a function that calls another: WABT writes each on a line of its own, and gives
// every function of the module the instance, and every import its host. mr.break does not return.
bool is_call(const std::string &line)
{
    return line.size() > 2 && line[0] == ' ' && line.back() == ';' &&
           (has(line, "(instance,") || has(line, "(instance)") ||
            has(line, "(instance->Z_env_instance") || has(line, "CALL_INDIRECT(")) &&
           !has(line, "return ");
}

// ---- Words ----

// A mark is four lines: the unit's number from an address, and 1 stored there. What WABT sets for
// it is above what the stack then holds, so nobody reads it afterwards.
bool shorten_mark(Lines *lines)
{
    char unit[24], amount[24];
    const size_t count = lines->size();
    const char *const shift = count < 4 ? "" : (*lines)[count - 3].c_str();
    if (sscanf(shift, " w2c_%20[a-z0-9] >>= (w2c_%20[a-z0-9] & 31);", unit, amount) != 2)
        return false;
    const std::string mark = std::string("i32_store8(instance->Z_mrZ_marks, (u64)(w2c_") + unit +
                             "), w2c_" + amount + ");";
    const std::string one = std::string(amount) + " = 1u;";
    const std::string bits = std::string("w2c_") + amount + " = " + std::to_string(MR_UNIT_SHIFT);
    if (!has((*lines)[count - 1], mark.c_str()) || !has((*lines)[count - 2], one.c_str()) ||
        !has((*lines)[count - 4], (bits + "u;").c_str()))
        return false;
    const std::string indent((*lines)[count - 1].find_first_not_of(' '), ' ');
    lines->resize(count - 4);
    lines->push_back(indent + "mark(w2c_" + unit + ");");
    return true;
}

// Lines of the text, accesses and marks in our words.
Lines lines_of(const std::string &text)
{
    Lines lines;
    for (size_t at = 0; at < text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
        std::string *line = &lines.back();
        if (replace(line, "(instance->Z_envZ_memory, ", "(far, ") ||
            !has(*line, "i32_store8(instance->Z_mrZ_marks, "))
            continue;
        if (!shorten_mark(&lines))
            (void)replace(line, "i32_store8(instance->Z_mrZ_marks, ", "mark_unit(");
    }
    return lines;
}

// ---- Statements ----

enum class Kind { Other, Copy, Number, Change, Load, Store, Mark };

struct Statement {
    Kind kind = Kind::Other;
    std::string to;      // variable that is set, if one is; all without their w2c_
    char how = 0;        // of a change: + | & < >
    std::string from;    // the other variable; of an access or a mark, that with the address
    uint64_t number = 0; // of an access, what is added to the address
    std::string access;
};

bool parse_access(const char *line, Statement *out)
{
    char to[24] = "", access[32], from[24];
    unsigned long long number = 0;
    int end = 0;
    const bool loads = sscanf(line, " w2c_%20[a-z0-9] = %30[a-z0-9_](far, (u64)(w2c_%20[a-z0-9])%n",
                              to, access, from, &end) == 3;
    if (!loads &&
        sscanf(line, " %30[a-z0-9_](far, (u64)(w2c_%20[a-z0-9])%n", access, from, &end) != 2)
        return false;
    (void)sscanf(line + end, " + %llu", &number);
    *out = Statement{loads ? Kind::Load : Kind::Store, loads ? to : "", 0, from, number, access};
    return end > 0;
}

// Is the whole line read when so much of it is?
bool all(const char *line, int end)
{
    return end > 0 && line[end] == 0;
}

bool parse_change(const char *line, Statement *out)
{
    char to[24], from[24], how[2];
    int end = 0;
    if ((sscanf(line, " w2c_%20[a-z0-9] %1[+|&]= w2c_%20[a-z0-9];%n", to, how, from, &end) != 3 &&
         sscanf(line, " w2c_%20[a-z0-9] %1[<>]%*1[<>]= (w2c_%20[a-z0-9] & %*u);%n", to, how, from,
                &end) != 3) ||
        !all(line, end))
        return false;
    *out = Statement{Kind::Change, to, how[0], from, 0, ""};
    return true;
}

bool parse_copy(const char *line, Statement *out)
{
    char to[24], from[24];
    int end = 0;
    if ((sscanf(line, " w2c_%20[a-z0-9] = w2c_%20[a-z0-9];%n", to, from, &end) != 2 ||
         !all(line, end)) &&
        (sscanf(line, " w2c_%20[a-z0-9] = (u32)(w2c_%20[a-z0-9]);%n", to, from, &end) != 2 ||
         !all(line, end)))
        return false;
    *out = Statement{Kind::Copy, to, 0, from, 0, ""};
    return true;
}

bool parse_number(const char *line, Statement *out)
{
    char to[24];
    unsigned long long number;
    int end = 0;
    if ((sscanf(line, " w2c_%20[a-z0-9] = %lluu;%n", to, &number, &end) != 2 || !all(line, end)) &&
        (sscanf(line, " w2c_%20[a-z0-9] = %lluull;%n", to, &number, &end) != 2 || !all(line, end)))
        return false;
    *out = Statement{Kind::Number, to, 0, "", number, ""};
    return true;
}

bool parse_mark(const char *line, Statement *out)
{
    char from[24];
    int end = 0;
    if (sscanf(line, " mark(w2c_%20[a-z0-9]);%n", from, &end) != 1 || !all(line, end))
        return false;
    *out = Statement{Kind::Mark, "", 0, from, 0, ""};
    return true;
}

// Places that are jumped to, and between which all is done from one line to the next.
bool is_border(const std::string &line)
{
    const size_t first = line.find_first_not_of(' ');
    return first == std::string::npos || line[first] == '}' || line.back() == '{' ||
           line.back() == ':' || has(line, ":;");
}

// Neither sets a variable of the function nor lets one be set by another way.
bool sets_nothing(const std::string &line)
{
    static const char *const begins[] = {
        "if (w2c_", "goto w2c_",          "instance->",      "mark_unit(",   "switch (w2c_",
        "case ",    "default: goto w2c_", "(*Z_mrZ_break)(", "UNREACHABLE;", "w2c_B",
        "}"};
    const size_t first = line.find_first_not_of(' ');
    for (const char *begin : begins) {
        if (first != std::string::npos && line.compare(first, strlen(begin), begin) == 0)
            return true;
    }
    return false;
}

// False when it is none that is known.
bool parse(const std::string &text, Statement *out)
{
    const char *line = text.c_str();
    char to[24];
    int end = 0;
    if (parse_copy(line, out) || parse_number(line, out) || parse_mark(line, out) ||
        parse_change(line, out) || parse_access(line, out))
        return true;
    *out = Statement();
    if (sscanf(line, " w2c_%20[a-z0-9]%n", to, &end) != 1 || end == 0)
        return sets_nothing(text);
    out->to = to;
    return true;
}

uint64_t width_of(const std::string &access)
{
    for (uint64_t bits = 8; bits <= 32; bits *= 2) {
        if (has(access, ("load" + std::to_string(bits)).c_str()) ||
            has(access, ("store" + std::to_string(bits)).c_str()))
            return bits / 8;
    }
    return access[1] == '3' ? 4 : 8;
}

// ---- What a loop accesses ----

// What is known of a variable: it is `offset` beyond base number `base`, if that is one, and seems
// to be so by `most` at most; or it seems to be at most `most`.
struct Value {
    size_t base = kBasesMax;
    uint64_t most = UINT32_MAX;
    std::string offset;
    bool is_number = false;
};

struct Base {
    std::string local;
    uint64_t span; // 0: nothing is accessed by it
    uint64_t align;
};

using Names = std::set<std::string>;

struct Loop {
    const Names *narrow; // variables of the function that have 32 bits
    Lines lines;         // without the one of its label
    std::vector<Statement> statements;
    Names set; // variables
    std::map<std::string, Value> values;
    std::vector<Base> bases;
    size_t used = 0;     // bases by which something is accessed
    Names offsets;       // variables that have one
    bool varies = false; // some address is not the same every time around
};

bool has_base(const Value &value)
{
    return value.base != kBasesMax;
}

// Locals that the loop does not set are bases, as long as there are not too many. Of variables of
// 64 bits nothing is known: what they add to an address is not what they have.
Value value_of(Loop *loop, const std::string &variable)
{
    const auto known = loop->values.find(variable);
    Value made;
    if (loop->narrow->count(variable) == 0)
        return made;
    if (known != loop->values.end())
        return known->second;
    if (variable[0] == 'i' || variable[0] == 'j' || loop->set.count(variable) > 0)
        return made;
    made.base = 0;
    while (made.base < loop->bases.size() && loop->bases[made.base].local != variable)
        made.base++;
    if (made.base == loop->bases.size() && made.base < kBasesMax)
        loop->bases.push_back(Base{variable, 0, 1});
    if (has_base(made))
        made = Value{made.base, 0, "0u", false};
    return made;
}

// Sums are modulo 2^32, and so are addresses: an offset is always what is between the address and
// the base, whatever was guessed of either.
Value sum_of(const Value &a, const Value &b, const std::string &other)
{
    const Value &based = has_base(a) ? a : b;
    if ((has_base(a) && has_base(b)) || a.most + b.most > UINT32_MAX)
        return Value();
    return Value{based.base, a.most + b.most, has_base(based) ? based.offset + " + " + other : "",
                 false};
}

// Bits below what a base is aligned to are added, as nothing is carried.
Value either_of(Loop *loop, const Value &a, const Value &b, const std::string &other)
{
    const Value &based = has_base(a) ? a : b, &bits = has_base(a) ? b : a;
    if (!has_base(based))
        return sum_of(a, b, other);
    if (has_base(bits) || based.most > 0 || bits.most >= kAlignMax)
        return Value();
    Base *base = &loop->bases[based.base];
    while (base->align <= bits.most)
        base->align *= 2;
    return Value{based.base, bits.most,
                 "MR_EITHER(" + std::to_string(based.base) + ", w2c_" + base->local + ", " +
                     based.offset + ", " + other + ")",
                 false};
}

Value changed(Loop *loop, const Statement &now)
{
    const Value a = value_of(loop, now.to), b = value_of(loop, now.from);
    const std::string other = "w2c_" + (has_base(a) ? now.from : now.to);
    Value made;
    if (now.how == '+')
        return sum_of(a, b, other);
    if (now.how == '|')
        return either_of(loop, a, b, other);
    if (now.how == '&')
        made.most = std::min(has_base(a) ? UINT32_MAX : a.most, has_base(b) ? UINT32_MAX : b.most);
    else if (b.is_number && b.most < 32 && !has_base(a))
        made.most =
            std::min<uint64_t>(now.how == '<' ? a.most << b.most : a.most >> b.most, UINT32_MAX);
    return made;
}

// What the statement leaves in the variable that it sets.
Value value_after(Loop *loop, const Statement &now)
{
    Value made;
    if (now.kind == Kind::Copy)
        made = value_of(loop, now.from);
    else if (now.kind == Kind::Change)
        made = changed(loop, now);
    else if (now.kind == Kind::Number)
        made = Value{kBasesMax, now.number, "", true};
    else if (now.kind == Kind::Load && (has(now.access, "load8_u") || has(now.access, "load16_u")))
        made.most = has(now.access, "load8_u") ? UINT8_MAX : UINT16_MAX;
    return made;
}

// Has an access or a mark made by base and offset, if its address has these.
void access_near(Loop *loop, const Statement &now, std::string *line)
{
    const Value address = value_of(loop, now.from);
    const uint64_t bytes = now.kind == Kind::Mark ? 1 : now.number + width_of(now.access);
    if (!has_base(address) || address.most + bytes > kSpanMax)
        return;
    Base *base = &loop->bases[address.base];
    if (base->span == 0 && loop->used == kUsedMax)
        return;
    loop->used += base->span == 0;
    base->span = std::max(base->span, address.most + bytes);
    loop->varies |= address.most > 0;
    const std::string how =
        std::to_string(address.base) + ", " + address.offset + ", w2c_" + now.from;
    if (now.kind == Kind::Mark)
        *line = "  near_mark(" + how + ");";
    else
        (void)replace(line, "(far, ", "(near(" + how + "), ");
}

// The line as it is in the first writing. Offsets are kept beside what has one. They are known on
// the way from one place that is jumped to, to the next.
std::string near_line(Loop *loop, size_t number)
{
    const Statement &now = loop->statements[number];
    std::string line = loop->lines[number], before;
    if (is_border(line))
        loop->values.clear();
    if (now.kind == Kind::Load || now.kind == Kind::Store || now.kind == Kind::Mark)
        access_near(loop, now, &line);
    if (now.to.empty() || loop->narrow->count(now.to) == 0)
        return line + "\n";
    Value made = value_after(loop, now);
    if (has_base(made)) {
        before = "  mr_o_" + now.to + " = " + made.offset + ";\n";
        made.offset = "mr_o_" + now.to;
        loop->offsets.insert(now.to);
    }
    loop->values[now.to] = made;
    return before + line + "\n";
}

bool is_label(const std::string &line, char kind, std::string *name)
{
    char digits[24];
    int end = 0;
    const std::string form = std::string(" w2c_") + kind + "%20[0-9]:%n";
    if (sscanf(line.c_str(), form.c_str(), digits, &end) != 1 || end == 0)
        return false;
    *name = std::string("w2c_") + kind + digits;
    return true;
}

size_t indent_of(const std::string &line)
{
    return line.find_first_not_of(' '); // greatest of a line that is empty
}

// Lines from `first` on that are further in than the label before them; false unless they are an
// innermost loop that is short and calls nothing.
bool take_loop(const Lines &lines, size_t first, Loop *out)
{
    const size_t indent = indent_of(lines[first - 1]);
    std::string ignored;
    int depth = 0;
    for (size_t i = first; i < lines.size() && indent_of(lines[i]) > indent; i++) {
        const std::string &line = lines[i];
        if (out->lines.size() == kLoopLinesMax || is_call(line) || is_label(line, 'L', &ignored))
            return false;
        depth += static_cast<int>(std::count(line.begin(), line.end(), '{') -
                                  std::count(line.begin(), line.end(), '}'));
        if (depth < 0)
            return false;
        out->lines.push_back(line);
        out->statements.emplace_back();
        if (!parse(line, &out->statements.back()))
            return false;
        if (!out->statements.back().to.empty())
            out->set.insert(out->statements.back().to);
    }
    return depth == 0;
}

// ---- The first writing ----

bool is_of_name(char c)
{
    return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

void rename(std::string *line, const std::string &name, const std::string &now)
{
    for (size_t at = 0; (at = line->find(name, at)) != std::string::npos;) {
        const size_t end = at + name.size();
        if ((at > 0 && is_of_name((*line)[at - 1])) ||
            (end < line->size() && is_of_name((*line)[end]))) {
            at = end;
            continue;
        }
        line->replace(at, name.size(), now);
        at += now.size();
    }
}

// What must hold for the first writing to be run, and what it has beside what the second has.
std::string near_head(const Loop &loop)
{
    std::string condition = "  if (1", text;
    for (size_t i = 0; i < loop.bases.size(); i++) {
        text += "  enum { mr_a" + std::to_string(i) + " = " + std::to_string(loop.bases[i].align) +
                " };\n";
        if (loop.bases[i].span == 0)
            continue;
        const std::string facts = "(" + std::to_string(i) + ", w2c_" + loop.bases[i].local + ", " +
                                  std::to_string(loop.bases[i].align) + "u, " +
                                  std::to_string(loop.bases[i].span) + "u)";
        condition += " && MR_IS_NEAR" + facts;
        text += "  MR_NEAR" + facts + ";\n";
    }
    for (const std::string &variable : loop.offsets)
        text += "  u32 mr_o_" + variable + " = 1u << 31;\n"; // set before it is used
    return condition + ") {\n" + text;
}

// Labels in the loop, its own included; too many of them take too long to rename.
bool find_labels(const Loop &loop, const std::string &own, Names *out)
{
    std::string name;
    out->insert(own);
    for (const std::string &line : loop.lines) {
        if (is_label(line, 'B', &name))
            out->insert(name);
    }
    return out->size() <= kLabelsMax;
}

std::string near_text(Loop *loop, const std::string &label, const Names &labels)
{
    std::string body;
    for (size_t i = 0; i < loop->lines.size(); i++) {
        std::string line = near_line(loop, i);
        if (has(line, "goto ") || has(line, ":"))
            for (const std::string &one : labels)
                rename(&line, one, one + "_near");
        body += line;
    }
    return "#ifndef __TINYC__\n" + near_head(*loop) + "  " + label + "_near:;\n" + body +
           "  goto " + label + "_after;\n  }\n#endif\n";
}

// Writes the loop whose label is in front of `first` twice, and tells how many lines it has; 0 when
// it is not to be written so.
size_t write_loop(const Lines &lines, size_t first, const std::string &label, const Names &narrow,
                  size_t *more, std::string *out)
{
    Loop loop;
    Names labels;
    loop.narrow = &narrow;
    if (!take_loop(lines, first, &loop) || *more + loop.lines.size() > kMoreLinesMax ||
        !find_labels(loop, label, &labels))
        return 0;
    const std::string text = near_text(&loop, label, labels);
    if (!loop.varies)
        return 0;
    *more += loop.lines.size();
    *out += text + lines[first - 1] + "\n";
    for (const std::string &line : loop.lines)
        *out += line + "\n";
    *out += "  " + label + "_after:;\n";
    return loop.lines.size();
}

// ---- Functions ----

// The variables of 32 bits of the function at hand: parameters, each with its type, and lists of
// locals, which may go on for some lines.
struct Declared {
    Names narrow;
    bool in_list = false;
};

void declare(const std::string &line, Declared *to)
{
    const char *const mark = to->in_list ? "w2c_" : "u32 w2c_";
    const bool begins_list = line.compare(0, 10, "  u32 w2c_") == 0;
    if (!line.empty() && line[0] != ' ')
        to->narrow.clear();
    for (size_t at = 0; (at = line.find(begins_list ? "w2c_" : mark, at)) != std::string::npos;) {
        const size_t name = line.find("w2c_", at) + 4;
        at = name;
        while (at < line.size() && is_of_name(line[at]))
            at++;
        to->narrow.insert(line.substr(name, at - name));
    }
    to->in_list = (to->in_list || begins_list) && !has(line, ";");
}

} // namespace

std::string mr::native_body(const std::string &text)
{
    const Lines lines = lines_of(text);
    std::string out, label;
    Declared declared;
    size_t more = 0;
    out.reserve(text.size() + text.size() / 8);
    for (size_t i = 0; i < lines.size(); i++) {
        declare(lines[i], &declared);
        if (is_label(lines[i], 'L', &label)) {
            const size_t taken = write_loop(lines, i + 1, label, declared.narrow, &more, &out);
            i += taken;
            if (taken > 0)
                continue;
        }
        out += lines[i];
        if (is_call(lines[i]))
            out += " MR_REFRESH;"; // locals that say where memory is
        out += '\n';
    }
    return out;
}
