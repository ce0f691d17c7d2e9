// SPDX-License-Identifier: Apache-2.0
#include "vm/code_wabt.h"

#include "vm/reading_desc.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include "wabt/binary-reader.h"
#include "wabt/binary-writer.h"
#include "wabt/interp/binary-reader-interp.h"
#include "wabt/ir.h"
#include "wabt/stream.h"
#include "wabt/validator.h"
#include "wabt/wast-lexer.h"
#include "wabt/wast-parser.h"
#pragma GCC diagnostic pop

#include <exception>
#include <new>

namespace
{

wabt::Features features_of(mr_wabt_form form)
{
    wabt::Features features;
#define WABT_FEATURE(variable, flag, default_, help) features.disable_##variable();
#include "wabt/feature.def"
#undef WABT_FEATURE
    features.enable_sign_extension();
    features.enable_mutable_globals();
    if (form == MR_WABT_REWRITTEN)
        features.enable_multi_memory();
    return features;
}

mr_status first_error(const wabt::Errors &errors, const char *file_name, mr_error *error)
{
    if (errors.empty())
        return MR_FAIL(error, MR_MODULE, "%s: the module is invalid", file_name);
    const wabt::Error &first = errors.front();
    return MR_FAIL(error, MR_MODULE, "%s:%d:%d: %s", file_name, first.loc.line,
                   first.loc.first_column, first.message.c_str());
}

/* Runs `body` and turns whatever it throws into a status. */
template <typename Body> mr_status guarded(mr_error *error, Body body)
{
    try {
        return body();
    } catch (const std::bad_alloc &) {
        return MR_FAIL(error, MR_NO_MEMORY, "out of memory for a module");
    } catch (const std::exception &caught) {
        return MR_FAIL(error, MR_MODULE, "the module cannot be read: %s", caught.what());
    } catch (...) {
        return MR_FAIL(error, MR_MODULE, "the module cannot be read");
    }
}

} // namespace

/* Reading into the interpreter's form validates on the way, and unlike the IR makes no tree, whose
 * destruction would recurse. */
mr_status mr_wabt_validate(mr_span module, mr_wabt_form form, mr_reading **out, size_t *offset,
                           mr_error *error)
{
    *offset = 0;
    return guarded(error, [&] {
        wabt::Errors errors;
        auto reading = std::make_unique<mr_reading>();
        wabt::ReadBinaryOptions options(features_of(form), nullptr, false, true, false);
        wabt::Result result = wabt::interp::ReadBinaryInterp("module", module.data, module.size,
                                                             options, &errors, &reading->desc);
        if (wabt::Succeeded(result)) {
            if (out != nullptr)
                *out = reading.release();
            return MR_OK;
        }
        if (errors.empty())
            return MR_FAIL(error, MR_MODULE, "the module is invalid");
        *offset = errors.front().loc.offset;
        return MR_FAIL(error, MR_MODULE, "%s", errors.front().message.c_str());
    });
}

mr_status mr_wabt_from_text(mr_span text, const char *file_name, mr_buffer *out, mr_error *error)
{
    return guarded(error, [&] {
        wabt::Errors errors;
        std::unique_ptr<wabt::WastLexer> lexer =
            wabt::WastLexer::CreateBufferLexer(file_name, text.data, text.size, &errors);
        wabt::Features features;
        features.EnableAll();
        wabt::WastParseOptions options(features);
        std::unique_ptr<wabt::Module> module;
        if (wabt::Failed(wabt::ParseWatModule(lexer.get(), &module, &errors, &options)) ||
            wabt::Failed(
                wabt::ValidateModule(module.get(), &errors, wabt::ValidateOptions(features))))
            return first_error(errors, file_name, error);
        wabt::MemoryStream stream;
        wabt::WriteBinaryOptions write(features, true, false, true);
        if (wabt::Failed(wabt::WriteBinaryModule(&stream, module.get(), write)))
            return first_error(errors, file_name, error);
        const std::vector<uint8_t> &bytes = stream.output_buffer().data;
        return mr_buffer_append(out, mr_span_of(bytes.data(), bytes.size()));
    });
}
